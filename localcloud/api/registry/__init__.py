"""Container Registry: namespaces, and lists of the images and tags in them."""
