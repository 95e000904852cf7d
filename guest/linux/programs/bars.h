/* bars: the colour bars that modetest draws, pixel for pixel. */
#ifndef BARS_H
#define BARS_H

#include "kms.h"

/* SMPTE's bars as libdrm divides them; the same rule in Python is in guest/linux/expected.py. */
void draw_bars(const struct buffer *buffer);

#endif
