"""Questions asked before a recipe is set: which arithmetic is fastest here, which learning rate falls fastest."""
