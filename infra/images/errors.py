"""Errors of image sources."""


class ImageSourceError(Exception):
    """The sources of an image do not match `images.yaml`. The message names the image, the file and the solution."""
