#!/usr/bin/env bash
# xreid data check and list on visible-infrared sets in their official layouts, made of one-pixel pictures.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
  echo "FAILED: $*"
  exit 1
}

# expect CODE 'what stdout or stderr must contain' ARGUMENTS...
expect() {
  local code=0
  "$XREID" "${@:3}" >out.txt 2>err.txt || code=$?
  [ "$code" = "$1" ] || { cat out.txt err.txt; fail "xreid ${*:3}: exit code $code instead of $1"; }
  grep -qF -- "$2" out.txt err.txt || { cat out.txt err.txt; fail "xreid ${*:3}: no '$2'"; }
}

# has FILE TEXT...: the JSON, without white space, contains each text
has() {
  local file=$1 text
  shift
  tr -d ' \n' <"$file" >flat.txt
  for text; do grep -qF -- "$text" flat.txt || { cat "$file"; fail "$file: no $text"; }; done
}

# same LINES ARGUMENTS...: xreid data list prints these paths below the root, in this order
same() {
  printf '%s\n' "$1" >expected.txt
  "$XREID" data list "${@:2}" 2>err.txt >out.txt || { cat err.txt; fail "data list ${*:2}"; }
  sed -E 's/^\{"path":"[a-z]+\/([^"]*)".*/\1/' out.txt | diff - expected.txt || fail "data list ${*:2}"
}

# a BMP of one pixel
{ printf 'BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0' && head -c 24 /dev/zero && printf '\1\2\3\0'; } >one.bmp
picture() {
  local name
  for name; do mkdir -p "${name%/*}" && ln one.bmp "$name"; done
}
pictures() { # FOLDER COUNT
  local i
  mkdir -p "$1"
  for ((i = 1; i <= $2; i++)); do ln one.bmp "$1/$(printf %04d "$i").jpg"; done
}

# ---- SYSU-MM01: 1 and 2 to train on, 4 in val_id, 6 and 10 to test on; the lists are those of a worked example of random.choice
mkdir -p sysu/exp sysu/cam{1..6}
pictures sysu/cam1/0006 29
pictures sysu/cam2/0006 8
pictures sysu/cam4/0006 20
pictures sysu/cam5/0006 20
pictures sysu/cam4/0010 2
for camera in 3 6; do for person in 0001 0002 0004 0006 0010; do pictures sysu/cam$camera/$person 1; done; done
for person in 0001 0002 0004; do pictures sysu/cam5/$person 2; done
printf '2,1\n' >sysu/exp/train_id.txt
printf '4' >sysu/exp/val_id.txt
printf '6,10\r\n' >sysu/exp/test_id.txt
expect 0 "nothing is missing" data check sysu-mm01 sysu --json sysu.json
has sysu.json '"train":{"identities":3,"images":12,"captions":0,"visible":6,"infrared":6,"official":{"identities":395,' '"files":[]' '"kind":"counts"' \
  '"test":{"identities":2,"images":83,"captions":0,"visible":79,"infrared":4,'
grep -qE '^train +3 +6 +6 +395, 22258, 11909$' out.txt || fail "table: $(cat out.txt)"
expect 0 "296, 20284, 9929" data check sysu-mm01 sysu --separate-val --quick
same $'cam5/0001/0001.jpg\ncam5/0001/0002.jpg\ncam5/0002/0001.jpg\ncam5/0002/0002.jpg\ncam5/0004/0001.jpg\ncam5/0004/0002.jpg
cam3/0001/0001.jpg\ncam6/0001/0001.jpg\ncam3/0002/0001.jpg\ncam6/0002/0001.jpg\ncam3/0004/0001.jpg\ncam6/0004/0001.jpg' sysu-mm01 sysu --split train
[ "$(sed -n 11p out.txt)" = '{"path":"sysu/cam3/0004/0001.jpg","id":4,"label":2,"image_id":10,"camera":3,"modality":"infrared","caption":null}' ] ||
  fail "train: $(sed -n 11p out.txt)"
same $'cam5/0004/0001.jpg\ncam5/0004/0002.jpg\ncam3/0004/0001.jpg\ncam6/0004/0001.jpg' sysu-mm01 sysu --split val
same $'cam5/0002/0001.jpg\ncam5/0002/0002.jpg\ncam3/0002/0001.jpg\ncam6/0002/0001.jpg' sysu-mm01 sysu --split val --val-holdout 0.3
"$XREID" data list sysu-mm01 sysu --split train --separate-val 2>/dev/null | grep -q '"id":4' && fail "val_id is in train"
same $'cam3/0006/0001.jpg\ncam6/0006/0001.jpg\ncam3/0010/0001.jpg\ncam6/0010/0001.jpg' sysu-mm01 sysu --split query --mode indoor --trial 4
head -1 out.txt | grep -qF '"id":6,"label":null,"image_id":79,"camera":3,"modality":"infrared","caption":null}' || fail "query: $(head -1 out.txt)"
same $'cam1/0006/0028.jpg\ncam2/0006/0007.jpg\ncam4/0006/0014.jpg\ncam5/0006/0002.jpg\ncam4/0010/0002.jpg' sysu-mm01 sysu --split gallery
same $'cam1/0006/0015.jpg\ncam2/0006/0006.jpg' sysu-mm01 sysu --split gallery --mode indoor --shots 1 --trial 9 --draw agw
"$XREID" data list sysu-mm01 sysu --split gallery --shots 10 2>/dev/null >out.txt
[ "$(wc -l <out.txt)" = 40 ] || fail "ten shots: $(wc -l <out.txt)" # 10 + 8 + 10 + 10 + 2
expect 1 "rand_perm_cam.mat: there is no such file. It comes with SYSU-MM01" data list sysu-mm01 sysu --split gallery --draw official
expect 1 "sysu-mm01 has no direction visible-to-infrared" data list sysu-mm01 sysu --split query --direction visible-to-infrared

# methods that need captions say so
expect 1 "data.dataset is sysu-mm01, which has no captions" train "$XREID_SOURCE/configs/quickstart.yaml" data.dataset=sysu-mm01 data.root=sysu --out run

# every file that is at fault, by name; exit code 1
rm sysu/cam4/0010/0002.jpg
printf BM >sysu/cam4/0010/0002.jpg
picture sysu/cam1/0006/7b.jpg
rm -r sysu/cam?/0001
expect 1 "persons have no image: id 1" data check sysu-mm01 sysu --json sysu.json
grep -qF "unreadable-images: sysu/cam4/0010/0002.jpg" out.txt || fail "an unreadable file is not named: $(cat out.txt)"
has sysu.json '"ok":false' '{"kind":"odd-names","file":"sysu/cam1/0006/7b.jpg"}' '"kind":"missing-images","count":1'
expect 1 "xreid: sysu: 2 errors" data check sysu-mm01 sysu --quick # no decoding
expect 1 "names that do not fit" data list sysu-mm01 sysu --split query
rm -r sysu/cam3
expect 1 "1 camera folders are missing: sysu/cam3" data check sysu-mm01 sysu
mkdir sysu/cam3
rm sysu/exp/test_id.txt
expect 1 "there is neither test_id.txt nor test_id.mat" data list sysu-mm01 sysu --split query
expect 1 "holds none of the folders cam1 .. cam6" data check sysu-mm01 "$work"

# ---- RegDB: ten trials
mkdir -p regdb/idx
for person in 7 9; do picture regdb/Visible/$person/male_front_v_00001_$person.bmp regdb/Thermal/$person/male_front_t_00002_$person.bmp; done
for trial in {1..10}; do
  a=$((trial % 2 ? 7 : 9)) b=$((trial % 2 ? 9 : 7))
  for split in "train $a" "test $b"; do
    read -r name person <<<"$split"
    echo "Visible/$person/male_front_v_00001_$person.bmp 0" >regdb/idx/${name}_visible_$trial.txt
    echo "Thermal/$person/male_front_t_00002_$person.bmp 0" >regdb/idx/${name}_thermal_$trial.txt
  done
done
expect 0 "nothing is missing" data check regdb regdb
same $'Visible/7/male_front_v_00001_7.bmp\nThermal/7/male_front_t_00002_7.bmp' regdb regdb --split train
head -1 out.txt | grep -qF '"id":0,"label":0,"image_id":0,"camera":null,"modality":"visible"' || fail "regdb: $(head -1 out.txt)"
same Visible/7/male_front_v_00001_7.bmp regdb regdb --split query --trial 10
same Thermal/7/male_front_t_00002_7.bmp regdb regdb --split query --trial 2 --direction thermal-to-visible
same Visible/9/male_front_v_00001_9.bmp regdb regdb --split gallery --direction thermal-to-visible
rm regdb/Thermal/9/*
expect 1 "Thermal/9/male_front_t_00002_9.bmp (train_thermal_2.txt, line 1)" data check regdb regdb
expect 1 "images are missing" data list regdb regdb --split train --trial 2
expect 0 "Thermal/7/" data list regdb regdb --split train --trial 1
expect 1 "idx: there is no such folder" data check regdb sysu

# ---- LLCM
mkdir -p llcm/idx llcm/test_vis/cam{1..9} llcm/test_nir/cam{1,2,4,5,6,7,8,9}
picture llcm/vis/0004/0004_c01_s1_f1_vis.jpg llcm/nir/0004/0004_c02_s1_f1_nir.jpg
picture llcm/test_vis/cam2/0005/0005_c02_s1_f{1,2}_vis.jpg llcm/test_nir/cam4/0005/0005_c04_s1_f{1,2}_nir.jpg
echo "vis/0004/0004_c01_s1_f1_vis.jpg 0" >llcm/idx/train_vis.txt
echo "nir/0004/0004_c02_s1_f1_nir.jpg 0" >llcm/idx/train_nir.txt
echo 5 >llcm/idx/test_id.txt
expect 0 "nothing is missing" data check llcm llcm
ir=$'test_nir/cam4/0005/0005_c04_s1_f1_nir.jpg\ntest_nir/cam4/0005/0005_c04_s1_f2_nir.jpg'
vis=$'test_vis/cam2/0005/0005_c02_s1_f1_vis.jpg\ntest_vis/cam2/0005/0005_c02_s1_f2_vis.jpg'
same "$ir" llcm llcm --split query
same "${vis#*$'\n'}" llcm llcm --split gallery --trial 0 # random.seed(0), a choice of two: the second
same "$vis" llcm llcm --split query --direction visible-to-infrared
same "${ir#*$'\n'}" llcm llcm --split gallery --direction visible-to-infrared
same "${ir#*$'\n'}" llcm llcm --split query --direction visible-to-infrared-transposed
same "$vis" llcm llcm --split gallery --direction visible-to-infrared-transposed
head -1 out.txt | grep -qF '"id":5,"label":null,"image_id":0,"camera":2,' || fail "llcm: $(head -1 out.txt)"
expect 1 "llcm has no indoor search" data list llcm llcm --split gallery --mode indoor

# ---- wrong usage
expect 2 "--mode takes all or indoor, not 'outdoor'" data list sysu-mm01 sysu --split query --mode outdoor
expect 2 "--shots takes 1 or 10, not '5'" data list sysu-mm01 sysu --split query --shots 5
expect 2 "--trial of sysu-mm01 takes 0 to 9, not '10'" data list sysu-mm01 sysu --split query --trial 10
expect 2 "--trial of regdb takes 1 to 10, not '0'" data list regdb regdb --split query --trial 0
expect 2 "--draw takes agw or official, not 'random'" data list sysu-mm01 sysu --split query --draw random
expect 2 "--direction takes infrared-to-visible" data list llcm llcm --split query --direction both
expect 2 "are for visible-infrared sets, not rstpreid" data list rstpreid none --split query --trial 1
echo "data of visible-infrared sets: passed"
