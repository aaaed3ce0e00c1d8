"""The size that images are resized to: a square's side, or height and width."""

ImageSize = int | tuple[int, int]  # a side, or (height, width); 0 for the images' own size


def height_and_width(size: ImageSize) -> tuple[int, int]:
    """Return a size as (height, width); (0, 0) for the images' own."""
    return (size, size) if isinstance(size, int) else size


def size_name(size: ImageSize) -> str:
    """Return a size in the name of a folder: "32", "32x48" (height, width), or "own"."""
    height, width = height_and_width(size)
    if height == width:
        return str(height or "own")
    return f"{height}x{width}"


def arrays_name(size: ImageSize, own: tuple[int, int]) -> str:
    """Return the name of the folder for a dataset's arrays in another size than its own.

    That of other proportions ends with "crop": without it, the images may be older ones, which
    were stretched.
    """
    height, width = height_and_width(size)
    suffix = "" if height * own[1] == width * own[0] else "-crop"
    return f"arrays-{size_name(size)}{suffix}"
