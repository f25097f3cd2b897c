"""What each layer saw of an image: which tensor, which numbers, which picture."""
