/*
 * pattern: shows the colour bars that modetest draws, pixel for pixel, and holds them.
 *
 *   pattern [--seconds S]        default: until killed
 *
 * The picture is SMPTE's bars as libdrm divides them (tests/util/pattern.c, XRGB8888); the same rule
 * in Python is in guest/linux/expected.py.
 */
#include "kms.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

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

int main(int argc, char **argv)
{
	static const struct option names[] = { { "seconds", required_argument, NULL, 's' }, { 0 } };
	double seconds = -1;
	char name[32];

	for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		if (option != 's')
			return 2;
		seconds = strtod(optarg, NULL);
	}
	int card = kms_open_card("virtio_gpu", 0, name);

	if (card < 0)
		die("no virtio-gpu card in /dev/dri");
	struct output output = kms_find_output(card);
	struct buffer buffer = kms_create_buffer(&output, card);

	for (uint32_t y = 0; y < buffer.height; y++)
		for (uint32_t x = 0; x < buffer.width; x++)
			buffer.pixels[(size_t)y * buffer.stride / 4 + x] = colour(x, y, buffer.width, buffer.height);
	kms_set_mode(&output, &buffer);
	printf("pattern: %ux%u is up\n", buffer.width, buffer.height);
	fflush(stdout);
	if (seconds < 0)
		for (;;)
			pause();
	struct timespec hold = { (time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9) };

	nanosleep(&hold, NULL);
	return 0;
}
