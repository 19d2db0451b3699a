"""What a first look at a text tells a second look at what was cut out of it.

A trace is what one of the rarer finders needs to find anything. Each is a stretch of characters
that no cut can make, since what is cut out leaves a mark that no stretch goes across: the pieces
of a text hold no trace that the text has not. Traces are bits of a number, as a first look at a
note takes no longer than making an object or two.
"""

WORDS = 1
"""Two letters stand together."""
PLATE = 2
"""A plate may begin."""
SIGN = 4
"""A sign or word of e-mail."""
ROW = 8
"""Five sounds, digits or tens follow each other."""
ANNOUNCED = 16
"""A word announces a number in parts."""
BACKWARDS = 32
"""Part of a word for reading backwards."""

ANY = WORDS | PLATE | SIGN | ROW | ANNOUNCED | BACKWARDS
"""Of a text that nobody has looked at."""
