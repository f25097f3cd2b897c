"""The table of layers as people read it: of a model file, or of layers written down."""
