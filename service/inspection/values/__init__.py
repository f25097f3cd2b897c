"""What a layer's weights are, and one of its values re-derived from them."""
