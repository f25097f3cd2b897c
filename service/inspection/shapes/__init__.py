"""How sizes, costs and receptive fields flow through layers. Knows no image."""
