#include "tools/temporary_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file.h"

xr_status xr_make_temporary_folder(char *path) {
  const char *parent = getenv("TMPDIR");
  XR_TRY(xr_path_join(path, parent && *parent ? parent : "/tmp", "xreid-XXXXXX"));
  if (mkdtemp(path)) return XR_OK;
  const int cause = errno;
  xr_status status = xr_fail(XR_IO, "%s: cannot make a folder for the features (set TMPDIR, or give --index): %s", path, strerror(cause));
  *path = '\0';
  return status;
}

void xr_remove_temporary_folder(const char *path) {
  char file[XR_PATH_MAX];
  DIR *folder = opendir(path);
  for (struct dirent *entry; folder && (entry = readdir(folder));)
    if (entry->d_type != DT_DIR && xr_path_join(file, path, entry->d_name) == XR_OK) unlink(file);
  if (folder) closedir(folder);
  rmdir(path);
}
