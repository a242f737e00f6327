#include <math.h>

#include "host/data/synth_person.h"

xr_view xr_synth_view(double yaw) {
  double towards = cos(yaw);
  return towards > 0.5 ? XR_VIEW_FRONT : towards < -0.5 ? XR_VIEW_BACK : XR_VIEW_SIDE;
}

xr_joint xr_body_point(const xr_skeleton *body, double across, double up, double forward) {
  forward += body->lean * fmax(0, up - 0.5);
  double x = across * body->fz + forward * body->fx, z = -across * body->fx + forward * body->fz;
  return (xr_joint){x, body->base + up * body->rise - z * body->down, z};
}

typedef struct {
  double across, up, forward;
} place;

static xr_joint seen(const xr_skeleton *body, place p) {
  double x = p.across * body->fz + p.forward * body->fx, z = -p.across * body->fx + p.forward * body->fz;
  return (xr_joint){x, body->base + p.up * body->rise - z * body->down, z};
}

static place swing(place from, double length, double angle) { /* angle forward from straight down */
  return (place){from.across, from.up - length * cos(angle), from.forward + length * sin(angle)};
}

static void pose_leg(xr_skeleton *body, const xr_pose *pose, int side, double build) {
  double sign = side ? -1 : 1, phase = pose->phase + (side ? M_PI : 0);
  double thigh = 0.40 * pose->stride * sin(phase) + 0.04 * pose->stride;
  double lifted = fmax(0, cos(phase)), bend = pose->stride * (0.10 + 0.85 * lifted * lifted);
  place hip = {sign * 0.048 * build, 0.50, 0};
  place knee = swing(hip, 0.225, thigh);
  place ankle = swing(knee, 0.225, thigh - bend);
  ankle.across += sign * 0.006;
  double foot = thigh - bend + M_PI_2 - 0.10; /* toes point a little down */
  if (foot > M_PI_2 - 0.05) foot = M_PI_2 - 0.05;
  place heel = {ankle.across, ankle.up - 0.030, ankle.forward - 0.022};
  place toe = swing((place){ankle.across + sign * 0.012, ankle.up - 0.028, ankle.forward}, 0.092, foot);
  body->hip[side] = seen(body, hip);
  body->knee[side] = seen(body, knee);
  body->ankle[side] = seen(body, ankle);
  body->heel[side] = seen(body, heel);
  body->toe[side] = seen(body, toe);
}

static void pose_arm(xr_skeleton *body, const xr_person *person, const xr_pose *pose, int side) {
  double sign = side ? -1 : 1, phase = pose->phase + (side ? 0 : M_PI), width = person->value[XR_ATTR_GENDER] == XR_MAN ? 0.112 : 0.102;
  double upper = 0.34 * pose->stride * sin(phase) - 0.02, bend = pose->elbow + 0.25 * pose->stride * fmax(0, sin(phase));
  double out = 0.03;
  int bag = person->value[XR_ATTR_BAG];
  if (side == 1 && bag == XR_HANDBAG) upper *= 0.3, bend = 0.12; /* a load keeps the arm down */
  if (side == 1 && bag == XR_SUITCASE) upper = -0.30, bend = 0.05;
  if (pose->telephone == side && !(side == 1 && bag >= XR_HANDBAG)) upper = 0.35, bend = 1.75, out = 0.02;
  place shoulder = {sign * width * person->build, 0.800, pose->lean * 0.3};
  place elbow = swing(shoulder, 0.165, upper);
  elbow.across += sign * out;
  place wrist = swing(elbow, 0.145, upper + bend);
  wrist.across += sign * (pose->telephone == side ? -0.03 : 0.006);
  place hand = swing(wrist, 0.035, upper + bend);
  body->shoulder[side] = seen(body, shoulder);
  body->elbow[side] = seen(body, elbow);
  body->wrist[side] = seen(body, wrist);
  body->hand[side] = seen(body, hand);
}

static void pose_all(xr_skeleton *body, const xr_person *person, const xr_pose *pose) {
  for (int side = 0; side < 2; side++) {
    pose_leg(body, pose, side, person->build);
    pose_arm(body, person, pose, side);
  }
  body->head = xr_body_point(body, 0, 0.925, 0.012);
}

void xr_synth_pose_body(xr_skeleton *body, const xr_person *person, const xr_pose *pose) {
  *body = (xr_skeleton){.yaw = pose->yaw,
                        .fx = sin(pose->yaw),
                        .fz = cos(pose->yaw),
                        .rise = cos(pose->pitch),
                        .down = sin(pose->pitch),
                        .lean = pose->lean,
                        .head_rx = 0.050,
                        .head_ry = 0.068};
  pose_all(body, person, pose);
  double lowest = 1;
  for (int side = 0; side < 2; side++) lowest = fmin(lowest, fmin(body->heel[side].y, body->toe[side].y) - 0.018);
  body->base = -lowest; /* the lower foot stands on the ground */
  pose_all(body, person, pose);
}
