"""Errors of image sources."""


class ImageSourceError(Exception):
    """An image's sources do not match `images.yaml`. The message names the image and the file, and suggests a fix."""
