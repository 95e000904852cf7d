/*
 * pageflip: flips two buffers, one picture after the other.
 *
 *   pageflip [--frames N] [--seconds S] [--render MS] [--before-tick MS] [--dumb] [--fast] [--hold] [--times]
 *
 * The buffers lie on the guest's *other* DRM device (vgem, the stand-in for a passed-through GPU), and
 * are imported into virtio-gpu by PRIME: no pixel is copied on the way to the host.
 *
 *   --dumb  allocate on virtio-gpu itself, where the host offers no blob resources (stock QEMU). The
 *           driver then transfers a picture after it has announced the flip, so a host that lags behind by
 *           a frame can read one that is being redrawn; imported buffers are fenced
 *   --fast  draw the two buffers once, and only flip
 *   --render  take so long, in milliseconds, from the completion of one flip to the next
 *   --before-tick  flip so long, in milliseconds, before the kernel's next tick. A kernel counts its
 *           patience in ticks, from the next one on, so this is where it has least
 *   --hold  keep the last picture until killed
 *   --times  print of each flip when it was asked for and when its event came, in milliseconds of
 *           CLOCK_MONOTONIC
 *
 * Frame 0 comes with the mode set, frame N with the Nth flip. What a frame looks like is defined by
 * draw() below and, in the same words, by guest/linux/expected.py.
 */
#include "kms.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

/* A triangle wave with period 512 and values 0 to 255. */
static uint32_t triangle(uint32_t t)
{
	return (t & 256 ? ~t : t) & 255;
}

/*
 * What draw_background() adds up for a pixel: red, green and blue in ten bits each, four times too large, from
 * the parts that depend on the column, the row and the wave. A part may borrow from its neighbour; the
 * sum does not. Sums of tables are what a compiler turns into vector instructions.
 */
struct tables {
	uint32_t *columns;
	uint32_t *waves; /* as many as there are columns, after each of the 512 phases */
};

static struct tables make_tables(uint32_t width)
{
	struct tables tables = { malloc(width * sizeof(uint32_t)), malloc((width + 512) * sizeof(uint32_t)) };

	for (uint32_t x = 0; x < width; x++) {
		uint32_t u = x * 255 / (width - 1);

		tables.columns[x] = (3 * u << 20) - 2 * u;
	}
	for (uint32_t t = 0; t < width + 512; t++)
		tables.waves[t] = (triangle(t) << 20) - (triangle(t) << 10);
	return tables;
}

/* Twice as fast where the processor has wider vectors, which is found out when the program starts. */
#ifdef __x86_64__
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

/* Slanted waves, running to the upper left, over a gradient. With u and v, the place scaled to 0..255:
 * red (3 u + wave) / 4, green (3 v + 255 - wave) / 4, blue 255 - (u + v) / 2. */
WIDE static void draw_background(const struct buffer *b, const struct tables *tables, uint32_t frame)
{
	uint32_t width = b->width, height = b->height; /* a pixel might be either, for all the compiler knows */

	for (uint32_t y = 0; y < height; y++) {
		uint32_t *restrict row = b->pixels + (size_t)y * b->stride / 4;
		const uint32_t *restrict columns = tables->columns;
		const uint32_t *restrict waves = tables->waves + ((y + 4 * frame) & 511);
		uint32_t v = y * 255 / (height - 1), part = (3 * v + 255) << 10 | (1022 - 2 * v);

		for (uint32_t x = 0; x < width; x++) {
			uint32_t sum = columns[x] + waves[x] + part;

			row[x] = 0xff000000 | (sum >> 6 & 0xff0000) | (sum >> 4 & 0xff00) | (sum >> 2 & 0xff);
		}
	}
}

/* A light bar, a 40th of the width, that moves to the right by half its width a frame and wraps. */
static void draw_bar(const struct buffer *b, uint32_t frame)
{
	uint32_t width = b->width / 40, left = (uint64_t)frame * ((width + 1) / 2) % b->width;

	for (uint32_t y = 0; y < b->height; y++) {
		uint32_t *row = b->pixels + (size_t)y * b->stride / 4;

		for (uint32_t i = 0, x = left; i < width; i++, x = x + 1 < b->width ? x + 1 : 0)
			/* Each colour moves three quarters of the way to white. */
			row[x] = 0xff000000 | ((row[x] >> 2 & 0x3f3f3f) + 0xc0c0c0);
	}
}

/* The frame's number, six digits of 3x5 dots, in the middle, on a darkened panel. */
static void draw_number(const struct buffer *b, uint32_t frame)
{
	/* Rows from the top, three bits each, most significant first. */
	static const uint16_t font[10] = { 075557, 026227, 071747, 071717, 055711,
					   074717, 074757, 071111, 075757, 075717 };
	uint32_t scale = b->height / 48 < b->width / 50 ? b->height / 48 : b->width / 50;

	if (scale == 0)
		return;
	uint32_t width = 25 * scale, height = 7 * scale, divisor = 100000;
	uint32_t left = (b->width - width) / 2, top = (b->height - height) / 2;
	uint16_t digits[6];

	for (int i = 0; i < 6; i++, divisor /= 10)
		digits[i] = font[frame / divisor % 10];
	for (uint32_t y = 0; y < height; y++) {
		uint32_t *row = b->pixels + (size_t)(top + y) * b->stride / 4 + left;

		for (uint32_t column = 0; column < 25; column++) {
			/* One dot of margin all around; a digit is three dots and a gap. */
			uint32_t dot_x = column - 1, dot_y = y / scale - 1;
			int lit = dot_x < 23 && dot_y < 5 && dot_x % 4 < 3 &&
				  digits[dot_x / 4] >> (3 * (4 - dot_y) + 2 - dot_x % 4) & 1;

			for (uint32_t end = scale; end > 0; end--, row++)
				*row = lit ? 0xffffffff : 0xff000000 | (*row >> 2 & 0x3f3f3f);
		}
	}
}

/* The stamp by which the host knows the frame: see guest/workloads/stamp.py. */
static void draw_stamp(const struct buffer *b, uint32_t frame)
{
	uint32_t id = frame & 0xffffff;
	uint64_t word = 0xa5ull << 32 | (uint64_t)id << 8 | (uint32_t)(id * 0x9e3779b1u) >> 24;

	for (uint32_t mark = 0; mark < 5; mark++) {
		uint32_t *row = b->pixels + (size_t)(mark * (b->height - 1) / 4) * b->stride / 4;

		for (int bit = 0; bit < 40; bit++)
			row[bit] = word >> (39 - bit) & 1 ? 0xffffffff : 0xff000000;
	}
}

static void draw(const struct buffer *b, const struct tables *tables, uint32_t frame)
{
	draw_background(b, tables, frame);
	draw_bar(b, frame);
	draw_number(b, frame);
	draw_stamp(b, frame);
}

static int64_t to_ns(struct timespec time)
{
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static int64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return to_ns(time);
}

/* The length of a tick of the kernel: the coarse clock counts nothing else. */
static int64_t tick_ns(void)
{
	struct timespec tick;

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return to_ns(tick);
}

/* Sleeps until so long before the next tick; ticks are whole multiples of their length. */
static void sleep_until_before_tick(double milliseconds)
{
	int64_t tick = tick_ns(), before = milliseconds * 1e6;
	int64_t then = ((now_ns() + before) / tick + 1) * tick - before;

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
			&(struct timespec){ then / 1000000000, then % 1000000000 }, NULL);
}

struct options {
	unsigned long frames; /* 0: endless */
	double seconds;       /* 0: endless */
	double render;        /* milliseconds */
	double before_tick;   /* milliseconds; 0: whenever the drawing is done */
	int dumb, fast, hold, times;
};

static double number(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || value < 0)
		die("%s: not a number", text);
	return value;
}

static struct options parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "frames", required_argument, NULL, 'f' }, { "seconds", required_argument, NULL, 's' },
		{ "dumb", no_argument, NULL, 'd' },	    { "fast", no_argument, NULL, 'q' },
		{ "hold", no_argument, NULL, 'h' },	    { "render", required_argument, NULL, 'r' },
		{ "before-tick", required_argument, NULL, 'b' }, { "times", no_argument, NULL, 't' },
		{ 0 },
	};
	struct options options = { 0 };

	for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;)
		switch (name) {
		case 'f': options.frames = number(optarg); break;
		case 's': options.seconds = number(optarg); break;
		case 'd': options.dumb = 1; break;
		case 'q': options.fast = 1; break;
		case 'h': options.hold = 1; break;
		case 'r': options.render = number(optarg); break;
		case 'b': options.before_tick = number(optarg); break;
		case 't': options.times = 1; break;
		default: exit(2);
		}
	return options;
}

/* Flips when it is time to, and waits for the event. Returns 0 when a signal ended the wait. */
static int flip(const struct output *output, const struct buffer *buffer, const struct options *options)
{
	if (options->render > 0)
		nanosleep(&(struct timespec){ options->render / 1000, (long)(options->render * 1e6) % 1000000000 },
			  NULL);
	if (options->before_tick > 0)
		sleep_until_before_tick(options->before_tick);
	int64_t asked = now_ns();

	if (!kms_flip(output, buffer))
		return 0;
	if (options->times)
		printf("asked=%.6f event=%.6f\n", asked / 1e6, now_ns() / 1e6);
	return 1;
}

/* Shows frame 0, then flips until the options, or a signal, say stop. */
static void run(const struct output *output, const struct buffer buffers[2], const struct options *options)
{
	struct tables tables = make_tables(output->mode.hdisplay);
	int64_t start;
	double seconds;
	uint32_t flips = 0;

	draw(&buffers[0], &tables, 0);
	draw(&buffers[1], &tables, 1);
	kms_set_mode(output, &buffers[0]);
	for (start = now_ns(), seconds = 0; !stopped; seconds = (now_ns() - start) / 1e9) {
		if ((options->frames && flips >= options->frames) || (options->seconds && seconds >= options->seconds))
			break;
		if (!options->fast && flips > 0)
			draw(&buffers[(flips + 1) % 2], &tables, flips + 1);
		if (flip(output, &buffers[(flips + 1) % 2], options))
			flips++;
	}
	printf("flips=%u seconds=%.3f hz=%.2f\n", flips, seconds, seconds > 0 ? flips / seconds : 0.0);
	fflush(stdout);
	free(tables.columns);
	free(tables.waves);
}

int main(int argc, char **argv)
{
	struct options options = parse(argc, argv);
	char name[32], other[32] = "itself";

	int card = kms_open_card("virtio_gpu", 0, name);

	if (card < 0)
		die("no virtio-gpu card in /dev/dri");
	int allocator = options.dumb ? card : kms_open_card("virtio_gpu", 1, other);

	if (allocator < 0)
		die("no other DRM device to allocate on; --dumb allocates on virtio-gpu itself");
	struct output output = kms_find_output(card);

	if (output.mode.hdisplay < 40 || output.mode.vdisplay < 5)
		die("a mode of %ux%u is too small for a stamp", output.mode.hdisplay, output.mode.vdisplay);
	struct buffer buffers[2] = { kms_create_buffer(&output, allocator), kms_create_buffer(&output, allocator) };

	/* Not restarted: a signal ends the wait for a flip. */
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = stop }, NULL);
	sigaction(SIGINT, &(struct sigaction){ .sa_handler = stop }, NULL);
	prctl(PR_SET_TIMERSLACK, 1ul); /* sleeps end when they should, not 50 us later */
	printf("pageflip: %ux%u, buffers of %s, ticks of %.0f ms\n", output.mode.hdisplay, output.mode.vdisplay,
	       other, tick_ns() / 1e6);
	fflush(stdout);
	run(&output, buffers, &options);
	while (options.hold && !stopped)
		pause();
	return 0;
}
