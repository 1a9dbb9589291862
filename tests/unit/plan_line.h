/* plan_line.h - a line read into a plan, and who calls. */
#ifndef PLAN_LINE_H
#define PLAN_LINE_H

#include "fake_io.h"
#include "plan/shape.h"

#include "assert_between.h"

static const struct caller user = { .uid = 1000, .gid = 1000, .directory = "/home/me" };

static struct plan plan;
static struct shape shape;

static problem read_line(char *const *words, const struct option_io *io)
{
	int n = 0;
	while (words[n])
		n++;
	enum reading reading;
	return options_read(n, words, io, &plan, &reading);
}
#define LINE(...) ((char *[]){ "bwrapish", __VA_ARGS__, NULL })

#endif
