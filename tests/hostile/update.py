"""Writes expected.csv anew: what each file of the collection is answered. Run where a change of answers is meant.

python -m tests.hostile.update
"""

from tests.hostile.corpus import IMAGES, names, verdict, write

if __name__ == "__main__":
    write({name: verdict((IMAGES / name).read_bytes()) for name in names()})
