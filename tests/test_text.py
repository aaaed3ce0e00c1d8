"""`jaxcnn.text`: what every message is written with."""

from hypothesis import given
from hypothesis import strategies as st

from jaxcnn.text import shorten


@given(text=st.text(max_size=200), letters=st.integers(3, 100))
def test_a_shortened_text_has_at_most_the_letters_and_its_start_and_end(text, letters):
    short = shorten(text, letters)
    assert len(short) == min(len(text), letters)
    if len(text) > letters:
        start, end = short[: (letters - 1) // 2], short[-((letters - 1) // 2) :]
        assert text.startswith(start) and text.endswith(end) and "…" in short
    else:
        assert short == text
