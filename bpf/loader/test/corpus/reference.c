/*
 * What libbpf does with an object: opens it, loads every program, and prints the instructions it gave to the kernel
 * and the kernel's verdict, one line a program:
 *
 *   object PATH
 *   program NAME ERRNO HEX        ERRNO 0 = loaded; map descriptors in HEX are replaced by hashes of map names
 *   unlinked NAME                 libbpf itself gave up on this program
 *   failed REASON                 libbpf gave up on the object
 *
 * libbpf reaches bpf(2) through syscall(), which the linker wraps (-Wl,--wrap=syscall). A refused program is answered
 * with a harmless descriptor, so that libbpf goes on to the next one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "bpf/bpf.h"
#include "bpf/libbpf.h"

#define MAX_PROGRAMS 2048
#define MAX_TRIES 400

struct result {
	const char *name;
	int seen;
	int error;
	int disabled;
	char *hex;
};

static struct result results[MAX_PROGRAMS];
static int program_count;
static struct bpf_object *object;
static char blamed[128];
static char last_warning[256];

long __real_syscall(long number, ...);

static unsigned int hash_name(const char *name)
{
	unsigned int hash = 0x811c9dc5;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x01000193;
	return hash & 0x7fffffff;
}

/* libbpf hides descriptors until the whole object is loaded, so the kernel is asked for the map's name. */
static unsigned int hash_of_fd(int fd)
{
	struct bpf_map_info info = {};
	unsigned int size = sizeof(info);
	const char *dot;

	if (bpf_map_get_info_by_fd(fd, &info, &size))
		return 0;
	/* libbpf puts the object's name in front of ".rodata" and its like. */
	dot = strchr(info.name, '.');
	return hash_name(dot ? dot : info.name);
}

static char *to_hex(const struct bpf_insn *insns, int count)
{
	char *hex = malloc((size_t)count * 16 + 1);
	int wide = 0;

	for (int i = 0; i < count; i++) {
		struct bpf_insn insn = insns[i];

		if (!wide && insn.code == 0x18 && (insn.src_reg == BPF_PSEUDO_MAP_FD || insn.src_reg == BPF_PSEUDO_MAP_VALUE))
			insn.imm = hash_of_fd(insn.imm);
		wide = !wide && insn.code == 0x18;
		for (int b = 0; b < 8; b++)
			sprintf(hex + i * 16 + b * 2, "%02x", ((unsigned char *)&insn)[b]);
	}
	return hex;
}

/* Programs of one name prefix load in order, so the first one not seen is meant. Probes of libbpf match none. */
static struct result *find_result(const char *kernel_name)
{
	if (!object || !kernel_name[0])
		return NULL;
	for (int i = 0; i < program_count; i++)
		if (!results[i].seen && !results[i].disabled && strncmp(results[i].name, kernel_name, BPF_OBJ_NAME_LEN - 1) == 0)
			return &results[i];
	return NULL;
}

static long load_program(union bpf_attr *attr, unsigned int size)
{
	struct result *result = find_result(attr->prog_name);
	long fd;

	do {
		fd = __real_syscall(__NR_bpf, BPF_PROG_LOAD, attr, (long)size);
	} while (fd < 0 && errno == EAGAIN);
	if (!result)
		return fd;
	result->seen = 1;
	result->error = fd < 0 ? errno : 0;
	result->hex = to_hex((const struct bpf_insn *)(unsigned long)attr->insns, attr->insn_cnt);
	return fd < 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : fd;
}

long __wrap_syscall(long number, ...)
{
	long a[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == __NR_bpf && a[0] == BPF_PROG_LOAD)
		return load_program((union bpf_attr *)a[1], a[2]);
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int note_warning(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char line[1024];
	char *at;

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), format, arguments);
	if (!last_warning[0])
		snprintf(last_warning, sizeof(last_warning), "%.*s", (int)strcspn(line, "\n"), line);
	at = strstr(line, "prog '");
	if (at)
		snprintf(blamed, sizeof(blamed), "%.*s", (int)strcspn(at + 6, "'"), at + 6);
	return 0;
}

static int disable_blamed(void)
{
	for (int i = 0; i < program_count; i++) {
		if (results[i].disabled || strcmp(results[i].name, blamed) != 0)
			continue;
		results[i].disabled = 1;
		return 1;
	}
	return 0;
}

static int try_once(const char *path, int first)
{
	struct bpf_program *program;
	int i = 0, error;

	blamed[0] = 0;
	last_warning[0] = 0;
	object = bpf_object__open_file(path, NULL);
	if (!object)
		return -1;
	bpf_object__for_each_program(program, object) {
		if (i == MAX_PROGRAMS)
			break;
		results[i].name = strdup(bpf_program__name(program));
		results[i].seen = 0;
		if (first)
			results[i].disabled = 0;
		bpf_program__set_autoload(program, !results[i].disabled);
		i++;
	}
	program_count = i;
	error = bpf_object__load(object);
	return error;
}

static int all_seen(void)
{
	for (int i = 0; i < program_count; i++)
		if (!results[i].seen && !results[i].disabled)
			return 0;
	return 1;
}

static void report(const char *path)
{
	int error = 0, tries = 0;

	printf("object %s\n", path);
	program_count = 0;
	do {
		if (object)
			bpf_object__close(object);
		object = NULL;
		error = try_once(path, tries == 0);
	} while (object && error && !all_seen() && disable_blamed() && ++tries < MAX_TRIES);
	if (!object || (error && !all_seen()))
		printf("failed %s\n", last_warning);
	for (int i = 0; object && i < program_count; i++) {
		if (results[i].seen)
			printf("program %s %d %s\n", results[i].name, results[i].error, results[i].hex);
		else
			printf("unlinked %s\n", results[i].name);
		free(results[i].hex);
		results[i].hex = NULL;
	}
	if (object)
		bpf_object__close(object);
	object = NULL;
	fflush(stdout);
}

int main(int argc, char **argv)
{
	libbpf_set_print(note_warning);
	for (int i = 1; i < argc; i++)
		report(argv[i]);
	return 0;
}
