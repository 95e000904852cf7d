/* SMPTE's bars as libdrm divides them (tests/util/pattern.c, XRGB8888). */
#include "bars.h"

enum { GREY = 0xc0c0c0, YELLOW = 0xc0c000, CYAN = 0x00c0c0, GREEN = 0x00c000, MAGENTA = 0xc000c0,
       RED = 0xc00000, BLUE = 0x0000c0, BLACK = 0x131313, WHITE = 0xffffff, IN_PHASE = 0x00214c,
       QUADRATURE = 0x32006a, BELOW_BLACK = 0x090909, ABOVE_BLACK = 0x1d1d1d };

/* The colour of one pixel. All divisions round down, and in this order: the bars are not equally wide. */
static uint32_t colour(uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
	static const uint32_t top[] = { GREY, YELLOW, CYAN, GREEN, MAGENTA, RED, BLUE };
	static const uint32_t middle[] = { BLUE, BLACK, MAGENTA, BLACK, CYAN, BLACK, GREY };
	static const uint32_t left[] = { IN_PHASE, WHITE, QUADRATURE, BLACK };
	static const uint32_t right[] = { BELOW_BLACK, BLACK, ABOVE_BLACK, BLACK };
	uint32_t five = width * 5 / 7, six = width * 6 / 7;

	if (y < height * 6 / 9)
		return top[x * 7 / width];
	if (y < height * 7 / 9)
		return middle[x * 7 / width];
	if (x < five)
		return left[x * 4 / five];
	if (x < six)
		return right[(x - five) * 3 / (width / 7)];
	return BLACK;
}

void draw_bars(const struct buffer *buffer)
{
	for (uint32_t y = 0; y < buffer->height; y++)
		for (uint32_t x = 0; x < buffer->width; x++)
			buffer->pixels[(size_t)y * buffer->stride / 4 + x] =
				colour(x, y, buffer->width, buffer->height);
}
