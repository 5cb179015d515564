/* A plugin of QEMU's user mode: counts the instructions that a program executes, by
 * file and function, and prints at its end "COUNT<tab>FILE<tab>FUNCTION" for every
 * block that was translated. Functions are known for the program itself alone.
 *
 * Debian ships no qemu-plugin.h: these are the functions of its interface, version 1
 * (QEMU 7.2, docs/devel/tcg-plugins.rst), that are used here. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int op, void *, uint64_t);
void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

struct block {
    uint64_t executed; /* not atomic: right for one busy thread, which is what we measure */
    uintptr_t address; /* in this process, as /proc/self/maps has it */
    const char *function;
    struct block *next;
};
static struct block *blocks;
static const char *output;

/* Called under QEMU's translation lock. */
static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
    struct qemu_plugin_insn *first = qemu_plugin_tb_get_insn(tb, 0);
    struct block *block = calloc(1, sizeof *block);
    if (!block)
        abort();
    block->address = (uintptr_t)qemu_plugin_insn_haddr(first);
    block->function = qemu_plugin_insn_symbol(first);
    block->next = blocks;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &block->executed, qemu_plugin_tb_n_insns(tb));
}

struct mapping {
    uintptr_t from, to;
    char file[512];
};

static size_t read_maps(struct mapping **maps)
{
    FILE *file = fopen("/proc/self/maps", "r");
    char line[1024];
    size_t count = 0;
    if (!file)
        abort();
    while (fgets(line, sizeof line, file)) {
        struct mapping *last;
        *maps = realloc(*maps, (count + 1) * sizeof **maps);
        if (!*maps)
            abort();
        last = *maps + count++;
        last->file[0] = 0;
        sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %*s %511s", &last->from, &last->to, last->file);
    }
    fclose(file);
    return count;
}

static const char *file_at(const struct mapping *maps, size_t count, uintptr_t address)
{
    for (size_t i = 0; i < count; i++)
        if (maps[i].from <= address && address < maps[i].to)
            return maps[i].file;
    return "";
}

static void print(plugin_id id, void *unused)
{
    struct mapping *maps = NULL;
    size_t count = read_maps(&maps);
    FILE *file = fopen(output, "w");
    if (!file)
        abort();
    for (const struct block *block = blocks; block; block = block->next)
        fprintf(file, "%" PRIu64 "\t%s\t%s\n", block->executed, file_at(maps, count, block->address),
                block->function ? block->function : "");
    fclose(file);
}

__attribute__((visibility("default"))) int
qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    /* out=FILE */
    if (argc != 1)
        return -1;
    output = argv[0] + 4;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, print, NULL);
    return 0;
}
