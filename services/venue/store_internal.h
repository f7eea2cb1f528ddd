/* Between the venue's file (store.c) and the questions about it (store_find.c). */
#ifndef SP_VENUE_STORE_INTERNAL_H
#define SP_VENUE_STORE_INTERNAL_H

#include "common/db.h"
#include "services/venue/store.h"

enum statement {
    PUT_COUNTERS,
    PUT_ACCOUNT,
    PUT_BALANCE,
    PUT_ORDER,
    PUT_FILL,
    GET_COUNTERS,
    GET_ACCOUNTS,
    GET_BALANCES,
    GET_OPEN,
    GET_ORDER,
    GET_FILLS,
    GET_ORDER_NO,
    GET_ORDER_OF,
    FIND_ORDERS_OLDEST,
    FIND_ORDERS_NEWEST,
    FIND_FILLS_OLDEST,
    FIND_FILLS_NEWEST,
    GET_ORDERS,
    GET_LISTS,
    PUT_TRANSFER,
    GET_TRANSFERS,
    STATEMENTS
};

struct sp_venue_store {
    struct sp_db *db;
    struct sp_stmt *statements[STATEMENTS];
    uint32_t accounts_kept; /* so many are in the file */
};

/* The row at hand of a statement that gives orders. SP_CONFIG, SP_CORRUPT. */
SP_NODISCARD sp_status sp_venue_store_read_order(struct sp_stmt *stmt, const struct sp_exchange *x,
                                                 struct sp_venue_order_row *row,
                                                 struct sp_err *err);

#endif
