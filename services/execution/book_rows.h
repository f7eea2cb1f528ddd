/* The books as rows of a snapshot, and back (common/journal/state_rows.h). Pure. */
#ifndef SP_EXECUTION_BOOK_ROWS_H
#define SP_EXECUTION_BOOK_ROWS_H

#include "common/journal/state_rows.h"
#include "services/execution/books.h"

void sp_books_save(const struct sp_books *books, struct sp_rows_writer *out);
/* Into books as sp_books_init left them. SP_INVALID if the rows are not whole, or were written
 * under another configuration; the statuses of sp_rows_next. The books are then of no use. */
SP_NODISCARD sp_status sp_books_load(struct sp_books *books, struct sp_rows_reader *in,
                                     struct sp_err *err);

#endif
