/* due: things in the order in which they are due (core: no I/O).
 *
 * A pairing heap (Fredman, Sedgewick, Sleator and Tarjan, "The pairing heap: a new form of
 * self-adjusting heap", 1986) of nodes that stand in the things themselves: nothing is allocated,
 * so nothing fails, and a node is put in or dropped in about constant time however many there are.
 *
 * Thread rule: one thread. */
#ifndef POSTCALL_COMMON_DELIVERY_DUE_H
#define POSTCALL_COMMON_DELIVERY_DUE_H

#include <stdint.h>

typedef struct due_t {
    int64_t at_ms;
    struct due_t *child;    /* the first of those that are due later */
    struct due_t *next;     /* child of the same parent */
    struct due_t *previous; /* child of the same parent, or of the first one the parent */
} due_t;

typedef struct {
    due_t *first; /* the one that is due first, or NULL */
} due_heap_t;

/* Puts in a node that is in no heap. */
void due_put(due_heap_t *heap, due_t *node, int64_t at_ms);
/* Takes out a node that is in this heap. */
void due_drop(due_heap_t *heap, due_t *node);

#endif
