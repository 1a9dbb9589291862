/* failure.c - why a process has failed, as a message: all kinds of it have the same form. Decides nothing.
 */
#include "run/failure.h"

#include "sys/channel.h"
#include "utils.h"

#include <string.h>

enum { STAGE, OF_EXEC, EXIT_STATUS };

void failure_send(int socket, uint32_t kind, const struct told_failure *told)
{
	const struct failure *failure = &told->failure;
	const struct message message = {
		.value = failure->error,
		.numbers = { [STAGE] = (uint64_t) told->stage,
			     [OF_EXEC] = told->of_exec,
			     [EXIT_STATUS] = (uint64_t) failure->exit_status },
	};
	const char *parts[] = { failure->sentence, failure->path };
	char words[WORDS_CAPACITY];
	size_t length = 0;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		size_t n = parts[i] ? strlen(parts[i]) : 0;
		if (n + ARRAY_SIZE(parts) > sizeof(words) - length)
			n = 0;
		if (n)
			memcpy(words + length, parts[i], n);
		words[length += n] = '\0';
		length++;
	}
	channel_try_send_words(socket, kind, &message, words, length);
}

struct told_failure failure_read(const struct message *message, const char *words)
{
	const char *sentence = arena_string(words), *path = words + strlen(words) + 1;
	return (struct told_failure){
		.failure = { .sentence = *sentence ? sentence : NULL,
			     .path = *path ? arena_string(path) : NULL,
			     .error = message->value,
			     .exit_status = (int) message->numbers[EXIT_STATUS] },
		.stage = (int) message->numbers[STAGE],
		.of_exec = message->numbers[OF_EXEC],
	};
}
