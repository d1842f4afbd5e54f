/*
 * A second, private instance of this library for a forked child.
 */
#ifndef VTOKEN_IMAGE_H
#define VTOKEN_IMAGE_H

#include "cryptoki.h"

/*
 * Notes which file this library was loaded from. Called while it is loaded, so that the
 * host cannot change its working folder in between. It opens nothing.
 */
void image_note(void);

/*
 * Holds the file of this library open, so that a child can be served after the
 * file was moved away, replaced by an upgrade, or put out of reach by a change
 * of root or user. It is called after each successful C_Initialize; failing is
 * no error, image_load_copy tries the path then.
 */
void image_keep(void);

/* Closes what image_keep holds. Called by C_Finalize. */
void image_drop(void);

/*
 * Loads a private copy of this library and returns its functions, or NULL where
 * the file that was loaded cannot be had or the system refuses. A file that took its
 * place is never loaded. The Go runtime in the copy is a
 * fresh one.
 */
const CK_FUNCTION_LIST_3_2 *image_load_copy(void);

#endif
