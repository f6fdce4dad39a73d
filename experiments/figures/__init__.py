"""One file per figure: its numbers from the rows of a sweep, and its picture. make.py runs them."""
