"""What a network is and what it saw: layers, arithmetic, feature maps. Knows no HTTP."""
