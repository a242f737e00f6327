/* Files that are replaced whole, and what must never be replaced. */
#include <criterion/criterion.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/data/scratch.h"

static mode_t kind_of(const char *path) {
  struct stat info;
  cr_assert_eq(lstat(path, &info), 0, "%s is gone", path);
  return info.st_mode & S_IFMT;
}

Test(file, an_older_file_stays_until_the_new_one_is_whole) {
  const scratch s = scratch_new();
  char path[XR_PATH_MAX], partial[XR_PATH_MAX], *text;
  size_t size;
  xr_replacement file;
  scratch_text(&s, "file", "old");
  cr_assert_eq(xr_path_join(path, s.root, "file"), XR_OK);
  cr_assert_eq(xr_path_join(partial, s.root, "file.partial"), XR_OK);
  for (int commit = 0; commit < 2; commit++) {
    cr_assert_eq(xr_replace_begin(&file, path), XR_OK, "%s", xr_message());
    cr_assert_eq(xr_replace_write(&file, "new one", 7), XR_OK);
    cr_assert_eq(xr_read_file(path, &text, &size), XR_OK);
    cr_expect_str_eq(text, "old");
    free(text);
    if (commit)
      cr_assert_eq(xr_replace_commit(&file), XR_OK, "%s", xr_message());
    else
      xr_replace_cancel(&file);
    cr_assert_eq(xr_read_file(path, &text, &size), XR_OK);
    cr_expect_str_eq(text, commit ? "new one" : "old");
    free(text);
    cr_expect_not(xr_is_file(partial));
  }
  scratch_remove(&s);
}

Test(file, a_pipe_is_written_to_and_stays_a_pipe) {
  const scratch s = scratch_new();
  char path[XR_PATH_MAX], link[XR_PATH_MAX], got[8] = "";
  cr_assert_eq(xr_path_join(path, s.root, "pipe"), XR_OK);
  cr_assert_eq(xr_path_join(link, s.root, "link"), XR_OK);
  cr_assert_eq(mkfifo(path, 0600), 0);
  cr_assert_eq(symlink(path, link), 0);
  for (int through_link = 0; through_link < 2; through_link++) {
    const pid_t child = fork();
    if (!child) _exit(xr_write_file(through_link ? link : path, "content", 7) != XR_OK);
    FILE *in = fopen(path, "r");
    cr_assert(in);
    cr_expect_eq(fread(got, 1, sizeof got, in), 7);
    fclose(in);
    int status;
    waitpid(child, &status, 0);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_expect(memcmp(got, "content", 7) == 0);
    cr_expect_eq(kind_of(path), S_IFIFO);
    cr_expect_eq(kind_of(link), S_IFLNK);
  }
  scratch_remove(&s);
}

/* The replacement is only begun and cancelled: a failure must not cost a machine its device. */
Test(file, a_device_is_written_to) {
  cr_assert_eq(kind_of("/dev/full"), S_IFCHR);
  xr_replacement file;
  cr_assert_eq(xr_replace_begin(&file, "/dev/full"), XR_OK, "%s", xr_message());
  cr_expect_str_empty(file.partial, "it would be replaced");
  cr_expect_eq(xr_replace_write(&file, "content", 7), XR_IO);
  expect_message("/dev/full: cannot write: No space left");
  xr_replace_cancel(&file);
  cr_expect_eq(kind_of("/dev/full"), S_IFCHR);
}
