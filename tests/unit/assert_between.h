/* assert_between.h - cmocka 2 deprecates assert_in_range() for names that cmocka 1 has not; this takes their place. */
#ifndef ASSERT_BETWEEN_H
#define ASSERT_BETWEEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_between(value, least, most)                             \
	do {                                                           \
		uintmax_t between_value = (value);                     \
		if (between_value < (least) || between_value > (most)) \
			fail_msg("%s is %ju", #value, between_value);  \
	} while (0)

#endif
