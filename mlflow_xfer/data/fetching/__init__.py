"""Fetches public data sets from where their makers publish them, into XTREME's ``download/`` layout.

``archives.py`` says what there is: addresses, checksums, licences. ``download.py`` takes a file, going on
where it stopped; ``layouts.py`` and ``treebanks.py`` make a data set's folder of the files; ``fetch.py`` does
it all in order.
"""
