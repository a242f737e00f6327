#include "host/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

xr_status xr_read_file(const char *path, char **bytes, size_t *size) {
  *bytes = NULL;
  *size = 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return xr_fail(errno == ENOENT ? XR_NOT_FOUND : XR_IO, "%s: %s", path, strerror(errno));
  struct stat info;
  xr_status status = XR_OK;
  char *buffer = NULL;
  if (fstat(fd, &info) < 0) {
    status = xr_fail(XR_IO, "%s: %s", path, strerror(errno));
  } else if (S_ISDIR(info.st_mode)) {
    status = xr_fail(XR_BAD_INPUT, "%s: is a folder, a file is expected", path);
  } else if (!(buffer = malloc((size_t)info.st_size + 1))) {
    status = xr_fail(XR_NO_MEMORY, "%s: out of memory for %lld bytes", path, (long long)info.st_size);
  }
  size_t done = 0, room = status ? 0 : (size_t)info.st_size;
  while (status == XR_OK) {
    if (done == room) { /* a pipe, or a file that grew */
      char probe;
      ssize_t n = read(fd, &probe, 1);
      if (n < 0) status = xr_fail(XR_IO, "%s: %s", path, strerror(errno));
      if (n <= 0) break;
      room = room * 2 + 4096;
      char *larger = realloc(buffer, room + 1);
      if (!larger) {
        status = xr_fail(XR_NO_MEMORY, "%s: out of memory", path);
        break;
      }
      buffer = larger;
      buffer[done++] = probe;
    }
    ssize_t n = read(fd, buffer + done, room - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) status = xr_fail(XR_IO, "%s: %s", path, strerror(errno));
    if (n <= 0) break;
    done += (size_t)n;
  }
  close(fd);
  if (status != XR_OK) {
    free(buffer);
    return status;
  }
  buffer[done] = '\0';
  *bytes = buffer;
  *size = done;
  return XR_OK;
}

xr_status xr_path_join(char *out, const char *dir, const char *name) {
  size_t length = strlen(dir);
  while (length > 1 && dir[length - 1] == '/') length--;
  int written = name[0] == '/' || !length
                    ? snprintf(out, XR_PATH_MAX, "%s", name)
                    : snprintf(out, XR_PATH_MAX, "%.*s%s%s", (int)length, dir, dir[length - 1] == '/' ? "" : "/", name);
  if (written < 0 || written >= XR_PATH_MAX)
    return xr_fail(XR_BAD_INPUT, "the path %.60s.../%.60s is longer than %d bytes", dir, name, XR_PATH_MAX - 1);
  return XR_OK;
}

const char *xr_path_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

bool xr_is_file(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool xr_is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

xr_status xr_make_folders(const char *path) {
  char partial[XR_PATH_MAX];
  size_t length = strlen(path);
  if (length >= sizeof partial) return xr_fail(XR_BAD_INPUT, "%.60s...: the path is too long", path);
  memcpy(partial, path, length + 1);
  for (char *p = partial + 1;; p++) {
    if (*p && *p != '/') continue;
    char kept = *p;
    *p = '\0';
    if (mkdir(partial, 0777) < 0 && errno != EEXIST) return xr_fail(XR_IO, "%s: cannot make the folder: %s", partial, strerror(errno));
    *p = kept;
    if (!kept) break;
  }
  return xr_is_folder(path) ? XR_OK : xr_fail(XR_IO, "%s: exists and is not a folder", path);
}

static bool is_device_or_pipe(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode) || S_ISFIFO(info.st_mode));
}

xr_status xr_replace_begin(xr_replacement *file, const char *path) {
  file->fd = -1;
  if (strlen(path) + sizeof ".partial" > sizeof file->path) return xr_fail(XR_BAD_INPUT, "%.60s...: the path is too long", path);
  snprintf(file->path, sizeof file->path, "%s", path);
  snprintf(file->partial, sizeof file->partial, "%.*s.partial", (int)(sizeof file->partial - sizeof ".partial"), path);
  if (is_device_or_pipe(path)) file->partial[0] = '\0';
  const char *opened = *file->partial ? file->partial : file->path;
  file->fd = open(opened, O_WRONLY | (*file->partial ? O_CREAT | O_TRUNC : 0) | O_CLOEXEC, 0666);
  return file->fd < 0 ? xr_fail(XR_IO, "%s: cannot write: %s", opened, strerror(errno)) : XR_OK;
}

xr_status xr_replace_write(xr_replacement *file, const void *bytes, size_t size) {
  const char *from = bytes;
  while (size) {
    ssize_t n = write(file->fd, from, size < (1u << 30) ? size : (1u << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      return xr_fail(XR_IO, "%s: cannot write: %s (an older %s, if any, is untouched)", *file->partial ? file->partial : file->path,
                     strerror(errno), xr_path_name(file->path));
    from += n;
    size -= (size_t)n;
  }
  return XR_OK;
}

static void sync_folder_of(const char *path) { /* makes the rename itself durable; not every file system offers it */
  char folder[XR_PATH_MAX];
  snprintf(folder, sizeof folder, "%s", path);
  char *slash = strrchr(folder, '/');
  if (slash) *(slash == folder ? slash + 1 : slash) = '\0';
  int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    fsync(fd);
    close(fd);
  }
}

xr_status xr_replace_commit(xr_replacement *file) {
  int failed = fsync(file->fd) < 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP;
  int cause = errno;
  if (close(file->fd) < 0 && !failed) {
    failed = 1;
    cause = errno;
  }
  file->fd = -1;
  if (!failed && *file->partial && rename(file->partial, file->path) < 0) {
    failed = 1;
    cause = errno;
  }
  if (failed) {
    if (*file->partial) unlink(file->partial);
    return xr_fail(XR_IO, "%s: cannot write: %s (an older file, if any, is untouched)", file->path, strerror(cause));
  }
  if (*file->partial) sync_folder_of(file->path);
  return XR_OK;
}

void xr_replace_cancel(xr_replacement *file) {
  if (file->fd < 0) return;
  close(file->fd);
  file->fd = -1;
  if (*file->partial) unlink(file->partial);
}

xr_status xr_write_file(const char *path, const void *bytes, size_t size) {
  xr_replacement file;
  XR_TRY(xr_replace_begin(&file, path));
  xr_status status = xr_replace_write(&file, bytes, size);
  if (status != XR_OK) {
    xr_replace_cancel(&file);
    return status;
  }
  return xr_replace_commit(&file);
}

double xr_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
