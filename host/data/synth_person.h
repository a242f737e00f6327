/* One pedestrian: a jointed body in three dimensions, seen under a view angle, dressed from back to front. */
#pragma once

#include "host/data/synth_pen.h"

typedef struct {
  double yaw;    /* radians: 0 faces the camera, pi/2 walks to the right of the picture, pi shows the back */
  double pitch;  /* radians by which the camera looks down */
  double stride; /* 0 stands .. 1 long steps */
  double phase;  /* of the step, radians */
  double lean;   /* forward, radians */
  double elbow;  /* how far the arms are bent, radians */
  int telephone; /* which arm holds a telephone: 0, 1 or -1 for none */
} xr_pose;

typedef struct {
  double x, y, z; /* picture right, picture up, towards the camera; body heights */
} xr_joint;

/* Index 0 is the person's left side, 1 the right. */
typedef struct {
  double yaw, fx, fz; /* facing direction */
  double rise;        /* cos(pitch): how much of a height the picture shows */
  double down;        /* sin(pitch): how far one body height towards the camera moves down the picture */
  double lean, base;  /* picture height of a point is base + y * rise - z * down */
  xr_joint hip[2], knee[2], ankle[2], heel[2], toe[2], shoulder[2], elbow[2], wrist[2], hand[2];
  xr_joint head;
  double head_rx, head_ry;
} xr_skeleton;

typedef enum { XR_VIEW_FRONT, XR_VIEW_SIDE, XR_VIEW_BACK } xr_view;
xr_view xr_synth_view(double yaw);

void xr_synth_pose_body(xr_skeleton *body, const xr_person *person, const xr_pose *pose);
void xr_synth_draw_person(const xr_pen *pen, const xr_person *person, const xr_pose *pose);

/* The pieces, for xr_synth_draw_person: synth_head.c and synth_bag.c. */
void xr_synth_draw_hair_behind(const xr_pen *pen, const xr_person *person, const xr_skeleton *body);
void xr_synth_draw_head(const xr_pen *pen, const xr_person *person, const xr_skeleton *body);
void xr_synth_draw_hair_in_front(const xr_pen *pen, const xr_person *person, const xr_skeleton *body);
void xr_synth_draw_bag_behind(const xr_pen *pen, const xr_person *person, const xr_skeleton *body);
void xr_synth_draw_bag_in_front(const xr_pen *pen, const xr_person *person, const xr_skeleton *body);

/* A point of the body frame (across to the person's left, up, forward) in the picture. */
xr_joint xr_body_point(const xr_skeleton *body, double across, double up, double forward);
static inline xr_point xr_flat(xr_joint j) { return (xr_point){j.x, j.y}; }
