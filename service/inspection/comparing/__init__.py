"""What differs between two images, two versions, or a picture and itself moved."""
