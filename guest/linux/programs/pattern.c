/*
 * pattern: shows the colour bars that modetest draws, pixel for pixel, and holds them.
 *
 *   pattern [--seconds S]        default: until killed
 *
 * The picture is that of bars.c.
 */
#include "bars.h"
#include "kms.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

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

	draw_bars(&buffer);
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
