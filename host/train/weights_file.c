#include "host/train/weights_file.h"

#include "host/base/file.h"
#include "host/train/checkpoint.h"

xr_status xr_find_weights(const char *given, char *path) {
  char folder[XR_PATH_MAX];
  if (!xr_is_folder(given)) return xr_path_join(path, "", given);
  XR_TRY(xr_path_join(folder, given, "checkpoints"));
  XR_TRY(xr_path_join(path, folder, "best.safetensors"));
  return xr_is_file(path) ? XR_OK : xr_checkpoint_newest(folder, path);
}
