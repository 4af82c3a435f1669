"""What cameras and other sensors give of a scene."""
