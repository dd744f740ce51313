#include "jobs/machine.h"

#include <unistd.h>

size_t machine_memory(void)
{
    return (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
}

int machine_fits(size_t bytes, struct err *err)
{
    size_t has = machine_memory();
    if (bytes > has)
        return err_set(err, ERR_NO_MEMORY, "this takes %.2f GB of memory, and the machine has %.2f GB",
                       (double)bytes / 1e9, (double)has / 1e9);
    return 0;
}
