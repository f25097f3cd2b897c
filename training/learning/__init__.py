"""How weights are found: the loop, its steps and its state. Shows nothing and knows no model file."""
