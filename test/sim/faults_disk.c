/* Disks that fail, fill up, lie and rot. */
#include "faults_internal.h"

#include "files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FULL_ROOM    65536 /* bytes that may still fit on a full disk */
#define ROOM         (UINT64_C(50) << 30)
#define FILES_MAX    200
#define PATH_SIZE    160
#define NUMBER_CHARS 21 /* "/" and the first sequence in a name */

/* One bit of one file. */
struct rot {
    char path[PATH_SIZE];
    size_t at;
    uint8_t bit;
    bool holds, shown;
};

static struct {
    int64_t full_until;
    int64_t room; /* bytes left while the disk is full */
    uint32_t file_count;
    char files[FILES_MAX][PATH_SIZE];
    struct rot rot;
} d;

/* ---- Space ---- */

static void end_full(void *ctx)
{
    if ((uint32_t)(uintptr_t)ctx == sim_faults_generation()) sim_files_set_free(ROOM);
}

void sim_faults_disk_full(enum sim_fault fault)
{
    int64_t ns = sim_fault_draw_ns(fault, 200 * SIM_MS, 7);

    if (fault == SIM_FAULT_DISK_FULL) {
        d.full_until = sim_now() + ns;
        d.room = (int64_t)sim_fault_draw(fault, FULL_ROOM);
    }
    sim_files_set_free(fault == SIM_FAULT_DISK_FULL ? 0 : UINT64_C(300) << 20);
    sim_at(sim_now() + ns, end_full, (void *)(uintptr_t)sim_faults_generation());
}

static int full_disk(enum sim_disk_op op, const char *path, size_t len)
{
    if (sim_faults_healed() || sim_now() >= d.full_until) return 0;
    if (op == SIM_DISK_REMOVE && strstr(path, "ballast") != NULL) d.room += 1 << 20;
    if (op != SIM_DISK_WRITE) return 0;
    if ((int64_t)len > d.room) return ENOSPC;
    d.room -= (int64_t)len;
    return 0;
}

/* ---- Operations ---- */

static int disk_fault(enum sim_disk_op op, const char *path, size_t len)
{
    int code = full_disk(op, path, len);

    if (code != 0) return code;
    if (op == SIM_DISK_READ && sim_fault_strikes(SIM_FAULT_DISK_READ_ERROR, 30)) return EIO;
    if (op == SIM_DISK_WRITE && sim_fault_strikes(SIM_FAULT_DISK_WRITE_ERROR, 30)) return EIO;
    if (op == SIM_DISK_SYNC && sim_fault_strikes(SIM_FAULT_DISK_SYNC_ERROR, 100)) return EIO;
    if (op == SIM_DISK_WRITE && sim_fault_strikes(SIM_FAULT_DISK_SHORT_WRITE, 2000))
        return SIM_DISK_SHORT;
    return 0;
}

int64_t sim_faults_sync_delay(void)
{
    if (sim_fault_strikes(SIM_FAULT_DISK_SLOW, 5000))
        return sim_fault_draw_ns(SIM_FAULT_DISK_SLOW, 2 * SIM_MS, 10);
    return 80 * SIM_US + sim_random_wait(sim_chance(), 120 * SIM_US);
}

/* The length of a file became durable, what it covers did not. */
static size_t lying_size(size_t written)
{
    (void)written;
    if (!sim_fault_strikes(SIM_FAULT_DISK_SIZE, 200000)) return 0;
    return 1 + (size_t)sim_fault_draw(SIM_FAULT_DISK_SIZE, 16384);
}

/* ---- Rot ---- */

static void look_at_file(void *ctx, const char *path)
{
    (void)ctx;
    if (strstr(path, ".jsonl") == NULL && strstr(path, ".idx") == NULL) return;
    if (strstr(path, "quarantine") != NULL || strstr(path, ".tmp") != NULL) return;
    if (d.file_count < FILES_MAX) snprintf(d.files[d.file_count++], PATH_SIZE, "%s", path);
}

/* What is compressed or indexed is sealed, and so is a segment that a newer one stands beside. */
static bool is_sealed(uint32_t i)
{
    const char *path = d.files[i];
    size_t folder = (size_t)(strrchr(path, '/') - path);

    if (strcmp(strrchr(path, '.'), ".jsonl") != 0) return true;
    for (uint32_t n = 0; n < d.file_count; n++) {
        if (strncmp(d.files[n], path, folder + 1) == 0 && strcmp(d.files[n], path) > 0 &&
            strncmp(d.files[n] + folder, path + folder, NUMBER_CHARS) != 0)
            return true;
    }
    return false;
}

/* The person who was told puts a copy of the file back. */
static void mend(void *ctx)
{
    (void)ctx;
    if (!d.rot.holds) return;
    d.rot.holds = false;
    sim_files_flip(d.rot.path, d.rot.at, d.rot.bit);
}

static void mend_in_time(void *ctx)
{
    if ((uint32_t)(uintptr_t)ctx == sim_faults_generation()) mend(NULL);
}

void sim_faults_show_rot(bool shown)
{
    if (!d.rot.holds || d.rot.shown == shown) return;
    sim_files_flip(d.rot.path, d.rot.at, d.rot.bit);
    d.rot.shown = shown;
}

void sim_faults_rot(void)
{
    const enum sim_fault fault = SIM_FAULT_BIT_ROT;
    uint32_t chosen = FILES_MAX, count = 0;
    size_t len = 0;

    d.file_count = 0;
    if (!d.rot.holds) sim_files_each("/sim/data/", look_at_file, NULL);
    for (uint32_t i = 0; i < d.file_count; i++) {
        if (is_sealed(i) && sim_fault_draw(fault, ++count) == 0) chosen = i;
    }
    if (chosen == FILES_MAX || sim_files_get(d.files[chosen], &len) == NULL || len == 0) {
        sim_fault_count(fault, -1);
        return;
    }
    d.rot = (struct rot){.at = (size_t)sim_fault_draw(fault, len),
                         .bit = (uint8_t)(1u << sim_fault_draw(fault, 8)),
                         .holds = true,
                         .shown = true};
    memcpy(d.rot.path, d.files[chosen], PATH_SIZE);
    sim_files_flip(d.rot.path, d.rot.at, d.rot.bit);
    sim_at(sim_now() + sim_fault_draw_ns(fault, SIM_S, 6), mend_in_time,
           (void *)(uintptr_t)sim_faults_generation());
}

/* ---- A run ---- */

void sim_faults_disk_begin(void)
{
    memset(&d, 0, sizeof d);
    sim_files_on_fault(disk_fault, sim_faults_sync_delay, lying_size);
}

void sim_faults_disk_heal(void)
{
    sim_files_set_free(ROOM);
    mend(NULL);
}
