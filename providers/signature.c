#include "providers/signature.h"

signature_status_t signature_age(int64_t signed_s, int64_t now_s, int64_t tolerance_s,
                                 int64_t *difference_s)
{
    int64_t difference = now_s - signed_s;
    if (difference <= tolerance_s && difference >= -tolerance_s)
        return SIGNATURE_OK;
    *difference_s = difference;
    return SIGNATURE_STALE;
}
