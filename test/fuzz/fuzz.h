/* What the fuzz targets share: claims, memory accounting and files to read.
 *
 * A target is one function over arbitrary bytes. Whatever they are, the code under test must give a
 * status: the sanitizers, the time limit and these claims say when it does not. One thread.
 */
#ifndef SP_TEST_FUZZ_H
#define SP_TEST_FUZZ_H

#include "common/journal/file.h"
#include "proto/record.h"

#define FUZZ_PATH_SIZE 512

/* libFuzzer's two entries; a target defines them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Says which claim failed, and ends the process the way that keeps the input. */
#define FUZZ_CHECK(cond)                                                                           \
    do {                                                                                           \
        if (!(cond)) fuzz_claim_failed(#cond, __FILE__, __LINE__);                                 \
    } while (0)
_Noreturn void fuzz_claim_failed(const char *claim, const char *file, int line);

/* Counts what is allocated and not yet freed from here on. */
void fuzz_memory_begin(void);
/* Claims that the peak since then was at most 16 bytes per byte of input and `constant` more. */
void fuzz_memory_end(size_t input_bytes, size_t constant_bytes);

/* A folder of this process below TMPDIR, removed when the process ends orderly. */
const char *fuzz_folder(void);
/* Removes what is in the folder; the folders in it are emptied too. */
void fuzz_folder_clear(void);
/* Writes FOLDER/NAME. */
void fuzz_file_put(const char *name, const void *bytes, size_t len_bytes);
/* Length of FOLDER/NAME, read into buf; -1 if it is not there. */
long fuzz_file_get(const char *name, void *buf, size_t cap_bytes);
/* The operating system's files without the waiting: nothing here dies between write and sync. */
const struct sp_file_port *fuzz_port(void);

/* Whether two records say the same, apart from the stream's name, which a line does not carry. */
bool fuzz_record_equal(const struct sp_record *a, const struct sp_record *b);

#endif
