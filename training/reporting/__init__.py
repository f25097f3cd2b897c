"""The report: what one exported file answers, how it was trained and what it looks like inside, as one page.

`report` gathers, `measured` counts, `charts` and `pictures` draw, `page` writes.
"""
