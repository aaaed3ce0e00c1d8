"""From a publisher's files, or a folder of images, to arrays on disk."""
