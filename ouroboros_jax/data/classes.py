"""What the classes of labelled images are called."""

NAMES = {
    "fashion_mnist": (
        *("T-shirt", "trouser", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
    "kmnist": ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
}
DIGITS = tuple(str(digit) for digit in range(10))


def class_names(data: str) -> tuple[str, ...]:
    """Names of the ten classes of a data set."""
    return NAMES.get(data, DIGITS)
