"""Which layers a model file has, as its author wrote them: nodes, names, groups. Knows no sizes and no values."""
