#include "store/place.h"

#include <errno.h>
#include <glob.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/sha256.h"

/* sun_path has 108 bytes with its NUL. */
enum { SOCKET_PATH_MOST = 107 };
static const char socket_name[] = "/.s.PGSQL.5432";

/* f_type of statfs(2) for file systems that lose data with the machine, or lock badly. */
enum { TMPFS = 0x01021994, RAMFS = 0x858458f6, NFS = 0x6969 };

static int set_path(char path[PLACE_PATH], struct err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int set_path(char path[PLACE_PATH], struct err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(path, PLACE_PATH, format, args);
    va_end(args);
    return n < PLACE_PATH ? 0 : err_set(err, ERR_CONFIG, "the path %.100s... is too long", path);
}

int place_file(const char *data_dir, const char *name, char path[PLACE_PATH], struct err *err)
{
    return set_path(path, err, "%s/%s", data_dir, name);
}

static int absolute(const char *name, char path[PLACE_PATH], struct err *err)
{
    char here[PLACE_PATH];
    if (name[0] == '/')
        return set_path(path, err, "%s", name);
    if (!getcwd(here, sizeof here))
        return err_errno(err, "the working directory");
    return set_path(path, err, "%s/%s", here, name);
}

int place_data_dir(const struct config *config, char path[PLACE_PATH], struct err *err)
{
    const char *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (config->data_dir[0] != '\0')
        return absolute(config->data_dir, path, err);
    if (geteuid() == 0)
        return set_path(path, err, "/var/lib/egalign");
    if (xdg && xdg[0] == '/')
        return set_path(path, err, "%s/egalign", xdg);
    if (home && home[0] == '/')
        return set_path(path, err, "%s/.local/share/egalign", home);
    return err_set(err, ERR_CONFIG, "HOME is not set: say --data-dir");
}

int place_model_folder(const struct config *config, char path[PLACE_PATH], struct err *err)
{
    char data_dir[PLACE_PATH];
    if (config->model_folder[0] != '\0')
        return absolute(config->model_folder, path, err);
    return place_data_dir(config, data_dir, err) < 0 ? -1 : place_file(data_dir, "models", path, err);
}

/* mkdir -p. Root's is open to be passed through, for the cluster's user must reach pg/ in it. */
static int make_folders(const char *path, struct err *err)
{
    char part[PLACE_PATH];
    mode_t mode = geteuid() == 0 ? 0711 : 0700;
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return err_errno(err, "mkdir %s", part);
        *slash = '/';
    }
    if (mkdir(part, mode) < 0)
        return errno == EEXIST ? 0 : err_errno(err, "mkdir %s", part);
    if (chmod(part, mode) < 0) /* whatever the umask is */
        return err_errno(err, "chmod %s", part);
    return 0;
}

static int check_storage(const struct config *config, const char *path, struct err *err)
{
    struct statfs fs;
    if (config->allow_unsafe_storage)
        return 0;
    if (statfs(path, &fs) < 0)
        return err_errno(err, "statfs %s", path);
    unsigned type = (unsigned)fs.f_type;
    if (type != TMPFS && type != RAMFS && type != NFS)
        return 0;
    return err_set(err, ERR_CONFIG,
                   "%s is on %s, where committed data is not safe: use another --data-dir, or say "
                   "--allow-unsafe-storage",
                   path, type == NFS ? "NFS" : "a memory file system");
}

static int take_user(struct place *p, const struct passwd *user, struct err *err)
{
    p->uid = user->pw_uid;
    p->gid = user->pw_gid;
    if (strlen(user->pw_name) >= sizeof p->user)
        return err_set(err, ERR_CONFIG, "the user name %.80s is too long", user->pw_name);
    strcpy(p->user, user->pw_name);
    return 0;
}

static int find_user(const struct config *config, struct place *p, struct err *err)
{
    struct stat s;
    struct passwd *user = NULL;
    p->drop = geteuid() == 0;
    if (!p->drop)
        user = getpwuid(geteuid());
    else if (stat(p->pg_dir, &s) == 0 && s.st_uid != 0)
        user = getpwuid(s.st_uid);
    else if (config->postgres_user[0] != '\0')
        user = getpwnam(config->postgres_user);
    else if (!(user = getpwnam("postgres")))
        user = getpwnam("nobody");
    if (user && user->pw_uid == 0)
        return err_set(err, ERR_CONFIG, "PostgreSQL refuses to run as root: name another user with --postgres-user");
    return user ? take_user(p, user, err)
                : err_set(err, ERR_CONFIG, "there is no user for PostgreSQL to run as: name one with --postgres-user");
}

/* The major version of the cluster, 0 when there is none. */
static int cluster_version(const struct place *p)
{
    char path[PLACE_PATH + 16];
    int version = 0;
    snprintf(path, sizeof path, "%s/PG_VERSION", p->pg_dir);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    if (fscanf(file, "%d", &version) != 1)
        version = 0;
    fclose(file);
    return version;
}

bool place_has_cluster(const struct place *p)
{
    return cluster_version(p) > 0;
}

static bool has_postgres(const char *folder)
{
    char server[PLACE_PATH + 16], initdb[PLACE_PATH + 16];
    snprintf(server, sizeof server, "%s/postgres", folder);
    snprintf(initdb, sizeof initdb, "%s/initdb", folder);
    return access(server, X_OK) == 0 && access(initdb, X_OK) == 0;
}

/* The newest of the versions in Debian's layout, or exactly `wanted` when that is not 0. */
static bool find_debian(int wanted, char folder[PLACE_PATH])
{
    glob_t found;
    int best = 0;
    if (glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) != 0)
        return false;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int version = atoi(found.gl_pathv[i] + strlen("/usr/lib/postgresql/"));
        if (version > best && (wanted == 0 || version == wanted) && has_postgres(found.gl_pathv[i])) {
            best = version;
            snprintf(folder, PLACE_PATH, "%s", found.gl_pathv[i]);
        }
    }
    globfree(&found);
    return best > 0;
}

static bool find_in_path(char folder[PLACE_PATH])
{
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t n = strcspn(path, ":");
        snprintf(folder, PLACE_PATH, "%.*s", (int)n, path);
        if (n > 0 && has_postgres(folder))
            return true;
        path += n + (path[n] == ':');
    }
    return false;
}

static int find_programs(const struct config *config, struct place *p, struct err *err)
{
    int version = cluster_version(p);
    if (config->postgres_bin_dir[0] != '\0') {
        if (!has_postgres(config->postgres_bin_dir))
            return err_set(err, ERR_CONFIG, "there are no programs postgres and initdb in --postgres-bin-dir %s",
                           config->postgres_bin_dir);
        return set_path(p->bin_dir, err, "%s", config->postgres_bin_dir);
    }
    if (find_debian(version, p->bin_dir) || find_in_path(p->bin_dir))
        return 0;
    char other[PLACE_PATH];
    if (version > 0 && find_debian(0, other))
        return err_set(err, ERR_CONFIG,
                       "the cluster in %s is of PostgreSQL %d, which is not installed (%s is): install "
                       "postgresql-%d, or upgrade the cluster with pg_upgrade",
                       p->pg_dir, version, other, version);
    return err_set(err, ERR_CONFIG,
                   "no PostgreSQL server is installed: install the package postgresql, name its folder with "
                   "--postgres-bin-dir, or use a server with --database-url");
}

int place_find(const struct config *config, struct place *ret, struct err *err)
{
    *ret = (struct place){0};
    if (place_data_dir(config, ret->data_dir, err) < 0 || make_folders(ret->data_dir, err) < 0)
        return -1;
    if (check_storage(config, ret->data_dir, err) < 0 || place_file(ret->data_dir, "pg", ret->pg_dir, err) < 0)
        return -1;
    return find_user(config, ret, err) < 0 || find_programs(config, ret, err) < 0 ? -1 : 0;
}

/* A folder of ours in a place that others can write to: it must be a folder, of the cluster's user, closed to others.
 */
static int make_private_folder(const struct place *p, const char *path, struct err *err)
{
    struct stat s;
    bool made = mkdir(path, 0700) == 0;
    if (!made && errno != EEXIST)
        return err_errno(err, "mkdir %s", path);
    if (made && p->drop && lchown(path, p->uid, p->gid) < 0)
        return err_errno(err, "chown %s", path);
    if (lstat(path, &s) < 0)
        return err_errno(err, "stat %s", path);
    if (S_ISDIR(s.st_mode) && s.st_uid == p->uid && (s.st_mode & 077) == 0)
        return 0;
    return err_set(err, ERR_CONFIG, "%s should be a folder of user %s with mode 0700 and is not: remove it", path,
                   p->user);
}

int place_socket_dir(struct place *p, struct err *err)
{
    if (strlen(p->pg_dir) + strlen(socket_name) <= SOCKET_PATH_MOST)
        return set_path(p->socket_dir, err, "%s", p->pg_dir);
    uint8_t digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    sha256(p->pg_dir, strlen(p->pg_dir), digest);
    sha256_hex(digest, hex);
    if (p->drop || !runtime || runtime[0] != '/' || strlen(runtime) > 60)
        runtime = "/tmp";
    if (set_path(p->socket_dir, err, "%s/egalign-%ld-%.12s", runtime, (long)p->uid, hex) < 0)
        return -1;
    return make_private_folder(p, p->socket_dir, err);
}

int place_conninfo(const struct place *p, char *text, size_t room, struct err *err)
{
    struct buf b = {0};
    buf_text(&b, "host='");
    for (const char *c = p->socket_dir; *c; c++) {
        if (*c == '\'' || *c == '\\')
            buf_char(&b, '\\');
        buf_char(&b, *c);
    }
    buf_text(&b, "' port=5432 user=egalign dbname=egalign");
    int status = 0;
    if (b.failed)
        status = err_memory(err);
    else if (b.length >= room)
        status = err_set(err, ERR_CONFIG, "the path of the socket is too long");
    else
        memcpy(text, b.data, b.length + 1);
    buf_free(&b);
    return status;
}
