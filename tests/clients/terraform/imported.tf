# Beside changed.tf, in a folder without a state: what is there already is taken over.

locals {
  shop = "arn:aws:ses:us-east-1:000000000000:identity/shop.example.com"
}

import {
  to = aws_ses_domain_identity.shop
  id = "shop.example.com"
}

import {
  to = aws_ses_domain_dkim.shop
  id = "shop.example.com"
}

import {
  to = aws_ses_domain_mail_from.shop
  id = "shop.example.com"
}

import {
  to = aws_ses_email_identity.ann
  id = "ann@example.org"
}

import {
  for_each = toset(["Bounce", "Complaint"])

  to = aws_ses_identity_notification_topic.shop[each.key]
  id = "${local.shop}|${each.key}"
}

import {
  to = aws_ses_identity_policy.shop
  id = "${local.shop}|others"
}

import {
  to = aws_ses_configuration_set.full
  id = "v1-full"
}

import {
  to = aws_ses_configuration_set.bare
  id = "v1-bare"
}

import {
  to = aws_ses_configuration_set.tracked
  id = "v1-tracked"
}

import {
  to = aws_sesv2_configuration_set.full
  id = "v2-full"
}

import {
  to = aws_sesv2_configuration_set.bare
  id = "v2-bare"
}

import {
  to = aws_sesv2_configuration_set.quiet
  id = "v2-quiet"
}

import {
  to = aws_sesv2_email_identity.easy
  id = "easy.example.com"
}

import {
  to = aws_sesv2_email_identity.own_key
  id = "own-key.example.com"
}

import {
  to = aws_sesv2_email_identity.short
  id = "short.example.com"
}

import {
  to = aws_sesv2_email_identity.bob
  id = "bob@example.net"
}

import {
  to = aws_sesv2_email_identity_feedback_attributes.easy
  id = "easy.example.com"
}

import {
  to = aws_sesv2_email_identity_mail_from_attributes.easy
  id = "easy.example.com"
}

import {
  to = aws_sesv2_email_identity_policy.easy
  id = "easy.example.com|others"
}
