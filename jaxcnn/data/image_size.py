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
