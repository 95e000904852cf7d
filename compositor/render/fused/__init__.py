"""All layers of a damage list in one pass, compiled by numba: the renderer's fast path.

| module | holds |
|---|---|
| `tables` | what the kernel is given, in memory that is kept between frames; the only module without numba |
| `kernel` | rectangles to bands to cells: which layers lie over each other where |
| `rows` | one row of a cell: opaque and clear blocks skipped, the others blended |
| `arithmetic` | blending of sixteen pixels |
| `vectors` | sixteen pixels as a type of numba, and how they are loaded and stored |
"""
