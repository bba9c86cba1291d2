"""One adapter per data set: from the official layout to prepared cases, by the publication's steps.

An adapter is a module with two functions:

``index(raw: RawFiles, parameters: dict) -> Index``
    finds the cases by the publisher's file names, whatever folder they lie in, and makes the splits. It reads
    names, tables and small XML or JSON files, never images.
``prepare(case: str, entry: IndexedCase, parameters: dict) -> Case``
    reads one case. It raises CaseExcluded with the reason when that case cannot be used.

``parameters`` are those of the data set's entry in ``lib.datasets.DATASETS``; ``index`` gets its ``indexing`` too.
"""
