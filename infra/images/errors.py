"""What cannot be built as it is described."""


class ImageSourceError(Exception):
    """The sources of an image are not as `images.yaml` says; the text names the image, the file, and the way out."""
