#include "common/delivery/due.h"

#include <stddef.h>

/* Makes one heap of two, by their roots, which have neither `next` nor `previous`. */
static due_t *meld(due_t *one, due_t *other)
{
    if (!one || !other)
        return one ? one : other;
    due_t *first = other->at_ms < one->at_ms ? other : one;
    due_t *later = first == one ? other : one;
    later->previous = first;
    later->next = first->child;
    if (first->child)
        first->child->previous = later;
    first->child = later;
    return first;
}

static due_t *cut(due_t *node)
{
    if (node)
        node->next = node->previous = NULL;
    return node;
}

/* Makes one heap of a list of siblings: two by two, and then all of those, which is what keeps the
 * heap flat. */
static due_t *meld_all(due_t *siblings)
{
    due_t *pairs = NULL, *whole = NULL;
    while (siblings) {
        due_t *one = siblings, *other = one->next;
        siblings = other ? other->next : NULL;
        due_t *pair = meld(cut(one), cut(other));
        pair->next = pairs;
        pairs = pair;
    }
    while (pairs) {
        due_t *pair = pairs;
        pairs = pair->next;
        whole = meld(whole, cut(pair));
    }
    return whole;
}

void due_put(due_heap_t *heap, due_t *node, int64_t at_ms)
{
    *node = (due_t){.at_ms = at_ms};
    heap->first = meld(heap->first, node);
}

void due_drop(due_heap_t *heap, due_t *node)
{
    due_t *below = meld_all(node->child);
    if (node == heap->first) {
        heap->first = below;
        return;
    }
    if (node->previous->child == node)
        node->previous->child = node->next;
    else
        node->previous->next = node->next;
    if (node->next)
        node->next->previous = node->previous;
    heap->first = meld(heap->first, below);
}
